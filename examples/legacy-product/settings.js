'use strict';

/** The settings of the shop and of the reports, from the environment. */
module.exports = {
  databaseUrl: process.env.DATABASE_URL,
  sessionSecret: process.env.SESSION_SECRET,
  shopPort: Number(process.env.SHOP_PORT || 3000),
  reportsPort: Number(process.env.REPORTS_PORT || 3001),
  bcryptCost: Number(process.env.BCRYPT_COST || 10),
  secureCookies: process.env.NODE_ENV === 'production',

  // New with Tandem: `session` is how the shop has always worked, `proxy` accepts what Tandem says. See identity.js.
  auth: process.env.AUTH || 'session',
  proxyAddress: process.env.PROXY_ADDRESS || '127.0.0.1',
  // Where Tandem is told about changed users, and the id and the secret of the shop there, with a colon between them. See tandem.js.
  tandemUrl: process.env.TANDEM_URL,
  tandemClient: process.env.TANDEM_CLIENT || '',
};
