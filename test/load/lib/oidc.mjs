import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from './load.mjs';
import { startOnServerCore, until } from './processes.mjs';
import { environmentOf } from './service.mjs';
import { CONNECTIONS, PEER_PORT } from './settings.mjs';

/** oidc-provider with a login for each connection, and what refreshes them. */
export async function startOidcProvider({ database, signing }) {
  const file = join(database.folder, 'oidc-tokens.txt');
  const process = startOnServerCore('test/load/peers/oidc-provider.mjs', {
    ...environmentOf(database, PEER_PORT),
    KEY_FILE: signing.file,
    TOKENS_FILE: file,
    TOKENS: String(CONNECTIONS),
  });
  const metadata = `http://127.0.0.1:${PEER_PORT}/.well-known/openid-configuration`;
  await until(() => fetch(metadata).then(({ ok }) => ok), 'oidc-provider answers');
  const current = readFileSync(file, 'utf8').split('\n');
  const refresh = () =>
    load({
      port: PEER_PORT,
      next: (index) => form(`grant_type=refresh_token&client_id=bench&refresh_token=${current[index]}`),
      answered: (index, answer) => {
        current[index] = /"refresh_token":"([^"]+)"/.exec(answer)[1];
      },
    });
  await refresh();
  return { process, refresh };
}

function form(body) {
  return (
    `POST /token HTTP/1.1\r\nHost: 127.0.0.1:${PEER_PORT}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}
