'use strict';

const session = require('express-session');
const PgSession = require('connect-pg-simple')(session);
const passport = require('passport');
const { Strategy } = require('passport-local');
const { pool } = require('./database');
const settings = require('./settings');
const users = require('./users');

const TWO_WEEKS = 14 * 24 * 60 * 60 * 1000;

passport.use(
  new Strategy({ usernameField: 'email' }, (email, password, done) => {
    users.byPassword(email, password).then((user) => done(null, user || false), done);
  }),
);
passport.serializeUser((user, done) => done(null, user.id));
passport.deserializeUser((id, done) => {
  users.byId(id).then((user) => done(null, user || false), done);
});

/** The middleware of both services: they share the table, the secret and the cookie. */
module.exports = [
  session({
    store: new PgSession({ pool }),
    secret: settings.sessionSecret,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: TWO_WEEKS, sameSite: 'lax', secure: settings.secureCookies },
  }),
  passport.initialize(),
  passport.session(),
];
