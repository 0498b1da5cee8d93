'use strict';

const settings = require('./settings');
const users = require('./users');

/**
 * All that the team added for Tandem. With AUTH=proxy, the headers of a request that came from the proxy say who is calling: the proxy has
 * asked Tandem and has overwritten what the client sent. Every other request is identified by its session, as before.
 */
async function identity(req, res, next) {
  const id = req.get('X-Auth-External-Id');
  if (settings.auth !== 'proxy' || req.socket.remoteAddress !== settings.proxyAddress || !id) return next();
  // Integer ids are ours. Tandem's own users, such as its administrators, have "-".
  req.user = /^[1-9]\d{0,8}$/.test(id) ? await users.byId(Number(id)) : undefined;
  req.identity = {
    tandemId: req.get('X-Auth-User-Id'),
    role: req.get('X-Auth-Role'),
    scheme: req.get('X-Auth-Scheme'),
  };
  next();
}

/** Refuses a request without a user, or without a role if one is named. */
function requireUser(role) {
  return (req, res, next) => {
    if (!req.user) return res.status(401).json({ error: 'Please log in' });
    if (role && req.user.role !== role) return res.status(403).json({ error: 'Not for you' });
    next();
  };
}

module.exports = { identity, requireUser };
