'use strict';

const bcrypt = require('@node-rs/bcrypt');
const { query } = require('./database');
const settings = require('./settings');
const { tellTandem } = require('./tandem');

/** Compared when the address is unknown, so that the time of the answer does not tell. */
const NOBODY = bcrypt.hashSync('nobody has this password', settings.bcryptCost);

module.exports = {
  /** The user, unless the account is disabled. */
  async byId(id) {
    const [user] = await query('SELECT id, email, name, role FROM users WHERE id = $1 AND NOT disabled', [
      id,
    ]);
    return user;
  },

  /** The user with this address and password, unless the account is disabled. */
  async byPassword(email, password) {
    const [user] = await query('SELECT * FROM users WHERE email = lower($1)', [email]);
    const right = await bcrypt.compare(password, user ? user.password_hash : NOBODY);
    return right && user && !user.disabled ? user : undefined;
  },

  /** The new user. Undefined if the address is taken. */
  async create({ email, name, password }) {
    const hash = await bcrypt.hash(password, settings.bcryptCost);
    const [user] = await query(
      `INSERT INTO users (email, name, password_hash) VALUES (lower($1), $2, $3)
       ON CONFLICT (email) DO NOTHING RETURNING id, email, name, role`,
      [email, name, hash],
    );
    return user;
  },

  /** Sets the password and ends the user's sessions and tokens. */
  async setPassword(id, password) {
    const hash = await bcrypt.hash(password, settings.bcryptCost);
    await query('UPDATE users SET password_hash = $2, password_changed_at = now() WHERE id = $1', [id, hash]);
    await endSessions(id);
    await tellTandem(id);
  },

  /** Disables the account and ends its sessions and tokens. False if there is no such user. */
  async disable(id) {
    const found = await query('UPDATE users SET disabled = true WHERE id = $1 RETURNING id', [id]);
    await endSessions(id);
    await tellTandem(id);
    return found.length > 0;
  },
};

async function endSessions(id) {
  await query(`DELETE FROM session WHERE sess -> 'passport' ->> 'user' = $1`, [String(id)]);
}
