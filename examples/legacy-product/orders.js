'use strict';

const express = require('express');
const { query } = require('./database');
const { requireUser } = require('./identity');

const router = express.Router();

router.use(requireUser());

router.get('/', async (req, res) => {
  const orders = await query('SELECT id, user_id, item, cents FROM orders WHERE user_id = $1 ORDER BY id', [
    req.user.id,
  ]);
  res.json({ orders });
});

router.post('/', async (req, res) => {
  const { item, cents } = req.body || {};
  if (typeof item !== 'string' || item.length > 200 || !Number.isInteger(cents) || cents < 1 || cents > 1e8)
    return res.status(400).json({ error: 'item and cents, please' });
  const [order] = await query(
    'INSERT INTO orders (user_id, item, cents) VALUES ($1, $2, $3) RETURNING id, user_id, item, cents',
    [req.user.id, item, cents],
  );
  res.status(201).json(order);
});

module.exports = router;
