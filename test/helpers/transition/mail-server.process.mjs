// The process behind MailServer.
import { SMTPServer } from 'smtp-server';

const rules = JSON.parse(process.argv[2]);
const received = [];
const commands = [];
const deferred = new Set();

function refusal(code, text) {
  return Object.assign(new Error(text), { responseCode: code });
}

function isOf(prefix, address) {
  return prefix !== undefined && address.startsWith(prefix);
}

/** True the first time. */
function first(key) {
  if (deferred.has(key)) return false;
  deferred.add(key);
  return true;
}

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: rules.login === true ? ['STARTTLS'] : ['STARTTLS', 'AUTH'],
  allowInsecureAuth: rules.login === true,
  hideSMTPUTF8: rules.ascii === true,
  onAuth: ({ username }, _session, done) => done(null, { user: username }),
  disableReverseLookup: true,
  logger: false,
  onRcptTo({ address }, _session, done) {
    if (isOf(rules.refuses, address)) done(refusal(550, 'no such user'));
    else if (isOf(rules.defersOnce, address) && first(address)) done(refusal(451, 'try again later'));
    else done();
  },
  onData(stream, session, done) {
    const address = session.envelope.rcptTo[0].address;
    const socket = [...server.connections].find(({ id }) => id === session.id)?._socket;
    if (isOf(rules.cutsOff, address) && first(`cut ${address}`)) {
      // Before the message is asked for: later nobody could say how much of it the client had handed over.
      socket.destroy();
      return;
    }
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      if (isOf(rules.defersMessageOnce, address) && first(`message ${address}`)) {
        done(refusal(451, 'try again later'));
        return;
      }
      // Accepted from here on: a client that hears nothing of it cannot know.
      received.push({
        from: session.envelope.mailFrom.address,
        to: address,
        raw: Buffer.concat(chunks).toString('utf8'),
      });
      if (isOf(rules.hangsUpOn, address)) socket.destroy();
      else setTimeout(done, rules.slow ?? 0);
    });
  },
});
// Clients are killed in the middle.
server.on('error', () => {});
server.server.on('connection', (socket) => {
  socket.on('data', (chunk) => {
    const lines = chunk.toString('utf8').split('\r\n');
    commands.push(...lines.filter((line) => /^(?:AUTH|MAIL|RCPT|STARTTLS)\b/.test(line)));
  });
});
const answers = { count: () => received.length, received: () => received, commands: () => commands };
process.on('message', (question) => process.send(answers[question]()));
process.on('disconnect', () => process.exit(0));
server.listen(rules.port, '127.0.0.1', () => process.send({ port: server.server.address().port }));
