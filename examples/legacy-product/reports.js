'use strict';

// npm run reports: the second service. It reads the same sessions as the shop.
const { query } = require('./database');
const { requireUser } = require('./identity');
const serve = require('./service');
const { reportsPort } = require('./settings');

serve('Reports', reportsPort, (app) => {
  app.get('/reports/spending', requireUser(), async (req, res) => {
    const [{ orders, cents }] = await query(
      'SELECT count(*)::int AS orders, coalesce(sum(cents), 0)::int AS cents FROM orders WHERE user_id = $1',
      [req.user.id],
    );
    res.json({ user_id: req.user.id, orders, cents });
  });
});
