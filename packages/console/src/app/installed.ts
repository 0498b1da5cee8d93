/** What is installed beside the console's own parts. Until v3.0 that is the transition; nothing else imports it. */
export { extension } from '../transition/extension.js';
