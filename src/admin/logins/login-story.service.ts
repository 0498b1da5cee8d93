import { Injectable } from '@nestjs/common';
import { LoginStoryStore } from '../../audit/login-story.store.js';
import type { Principal } from '../../auth/principal.js';
import { refuse } from '../../common/common.errors.js';
import { FamilyListStore } from '../../tokens/families/family-list.store.js';
import { SessionDirectoryService } from '../../tokens/families/session-directory.service.js';
import { familyView } from './login-list.service.js';
import type { LoginDetailDto } from './login-story.dto.js';

/** Tells what happened to one login. */
@Injectable()
export class LoginStoryService {
  constructor(
    private readonly families: FamilyListStore,
    private readonly stories: LoginStoryStore,
    private readonly directory: SessionDirectoryService,
  ) {}

  /** A family, what it is linked to, and its events in the audit trail. Throws 404 for an unknown family. */
  async tell(id: string, viewer: Principal): Promise<LoginDetailDto> {
    const family = await this.families.find(id);
    if (family === undefined) throw refuse('not_found');
    const { id: sid, user_id: userId, revoked_at: revokedAt } = family;
    const [{ story, truncated }, linked] = await Promise.all([
      this.stories.read({ userId, sid, revokedAt }),
      this.directory.sessions.linkedTo(sid),
    ]);
    return { login: familyView(family, viewer), linked: [...linked], story, truncated };
  }
}
