'use strict';

// npm start: the shop, with its accounts, its orders API and its page.
const path = require('path');
const express = require('express');
const accounts = require('./accounts');
const orders = require('./orders');
const serve = require('./service');
const { shopPort } = require('./settings');

serve('The shop', shopPort, (app) => {
  app.use('/public', express.static(path.join(__dirname, 'public')));
  app.use(accounts);
  app.use('/orders', orders);
});
