'use strict';

const express = require('express');
const passport = require('passport');
const { requireUser } = require('./identity');
const users = require('./users');

const router = express.Router();

router.post('/signup', async (req, res, next) => {
  const { email, name, password } = req.body || {};
  if (![email, name, password].every((field) => typeof field === 'string' && field.length <= 100))
    return res.status(400).json({ error: 'email, name and password, please' });
  if (!/^\S+@\S+$/.test(email) || password.length < 8)
    return res.status(400).json({ error: 'An address, and a password of 8 characters or more' });
  const user = await users.create({ email, name, password });
  if (!user) return res.status(409).json({ error: 'This address has an account' });
  req.logIn(user, (error) => (error ? next(error) : res.status(201).json(user)));
});

router.post('/login', (req, res, next) => {
  passport.authenticate('local', (failure, user) => {
    if (failure) return next(failure);
    if (!user) return res.status(401).json({ error: 'Wrong address or password' });
    req.logIn(user, (error) => {
      if (error) return next(error);
      res.json({ id: user.id, email: user.email, name: user.name, role: user.role });
    });
  })(req, res, next);
});

router.post('/logout', (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.clearCookie('connect.sid').sendStatus(204)));
});

router.get('/me', requireUser(), (req, res) => res.json(req.user));

/** The caller has to log in again, on every device. */
router.post('/password', requireUser(), async (req, res) => {
  const { current, password } = req.body || {};
  if (typeof current !== 'string' || typeof password !== 'string' || password.length < 8)
    return res.status(400).json({ error: 'current and password of 8 characters or more, please' });
  if (!(await users.byPassword(req.user.email, current)))
    return res.status(403).json({ error: 'Wrong password' });
  await users.setPassword(req.user.id, password);
  res.sendStatus(204);
});

router.post('/staff/users/:id/disable', requireUser('staff'), async (req, res) => {
  const found = /^\d{1,9}$/.test(req.params.id) && (await users.disable(Number(req.params.id)));
  res.sendStatus(found ? 204 : 404);
});

module.exports = router;
