import { unavailable } from '../../common/common.errors.js';
import type { LiveFamily } from '../../tokens/families/token-family.js';

/** Simultaneous presentations of one family's tokens on a node. Further ones get 503. */
const MAX_PRESENTATIONS = 64;

/** The simultaneous presentations of one token on this node. Together they are one refresh and count once. */
export interface Presentation {
  running: number;
  /** The statement that counts and rotates, while it runs for one of them. */
  statement?: Promise<LiveFamily | undefined> | undefined;
  /** The call that was counted for all of them, if a rotation is counted outside that statement. */
  counted?: Promise<unknown>;
}

/** The presentations that this node is working on, by family and by token. */
export class Presentations {
  private readonly families = new Map<string, number>();
  private readonly tokens = new Map<string, Presentation>();

  /** Throws 503 if too many presentations of the family are running. Otherwise call {@link leave} afterwards. */
  enter(sid: string, token: string): Presentation {
    const running = this.families.get(sid) ?? 0;
    if (running >= MAX_PRESENTATIONS) throw unavailable(new Error('too many presentations of one family'));
    this.families.set(sid, running + 1);
    const presentation = this.tokens.get(token) ?? { running: 0 };
    presentation.running += 1;
    this.tokens.set(token, presentation);
    return presentation;
  }

  leave(sid: string, token: string, presentation: Presentation): void {
    const running = this.families.get(sid)! - 1;
    if (running === 0) this.families.delete(sid);
    else this.families.set(sid, running);
    presentation.running -= 1;
    if (presentation.running === 0) this.tokens.delete(token);
  }
}
