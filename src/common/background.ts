/**
 * Injection token of a boolean: whether this process does the work that goes on by itself (clean-up, sealing, mail, autopilot).
 * A node does; a command line that starts the same modules beside the nodes leaves it to them.
 */
export const BACKGROUND = Symbol('BACKGROUND');
