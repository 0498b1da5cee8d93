import { spawn, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Package managers put nginx where not every user's PATH looks. */
const ENV = { PATH: [process.env.PATH, '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'].join(':') };

/** Whether nginx can be started here. */
export function hasNginx() {
  return process.platform !== 'win32' && spawnSync('nginx', ['-v'], { env: ENV }).status === 0;
}

/**
 * Starts nginx with nginx.conf. Only its addresses, and where it writes, are different. `address` is where nginx calls the programs from:
 * their PROXY_ADDRESS and TRUST_PROXY. It logs errors to stderr and keeps its files in `folder`.
 */
export async function startNginx(folder, ports, address) {
  await writeFile(join(folder, 'nginx.conf'), await localConfig(ports, address));
  return spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', 'nginx.conf'], {
    env: ENV,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

async function localConfig({ tandem, shop, reports, open, closed }, address) {
  const places = [
    ['server 127.0.0.1:5000 ', `server 127.0.0.1:${tandem[0]} `],
    ['server 127.0.0.1:5001 ', `server 127.0.0.1:${tandem[1]} `],
    ['server 127.0.0.1:3000;', `server 127.0.0.1:${shop};`],
    ['server 127.0.0.1:3001;', `server 127.0.0.1:${reports};`],
    ['listen 8080;', `listen 127.0.0.1:${open};`],
    ['listen 127.0.0.1:8081;', `listen 127.0.0.1:${closed};`],
    ['access_log /var/log/nginx/access.log without_query;', 'access_log off;'],
    ['events {', `${asRoot()}daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {`],
    ['http {', `http {\n${temporaryFolders()}proxy_bind ${address};\n`],
  ];
  const config = await readFile(join(import.meta.dirname, 'nginx.conf'), 'utf8');
  return places.reduce((text, [from, to]) => {
    if (text.split(from).length !== 2) throw new Error(`nginx.conf does not have "${from}" once`);
    return text.replace(from, to);
  }, config);
}

function asRoot() {
  return process.getuid() === 0 ? 'user root;\n' : '';
}

function temporaryFolders() {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${name};\n`)
    .join('');
}
