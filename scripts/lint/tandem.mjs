// The project's own lint rules, as a plugin for oxlint.
import constantTime from './constant-time.mjs';
import imports from './imports.mjs';

export default { meta: { name: 'tandem' }, rules: { 'constant-time': constantTime, imports } };
