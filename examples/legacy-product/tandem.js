'use strict';

const settings = require('./settings');

/**
 * New with Tandem: tells it that the password or the state of a user has changed. Tandem then reads the user's row before it answers, so
 * that nothing older is valid afterwards. If the call fails, Tandem notices by itself, at the user's next refresh or within a minute.
 */
async function tellTandem(userId) {
  const { tandemUrl, tandemClient } = settings;
  if (!tandemUrl) return;
  try {
    const answer = await fetch(`${tandemUrl}/admin/users/by-external-id/${userId}`, {
      method: 'PUT',
      headers: {
        Authorization: `Basic ${Buffer.from(tandemClient).toString('base64')}`,
        'Content-Type': 'application/json',
      },
      body: '{}',
      signal: AbortSignal.timeout(5_000),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
  } catch (error) {
    console.error(`Tandem was not told about a changed user: ${error.message}`);
  }
}

module.exports = { tellTandem };
