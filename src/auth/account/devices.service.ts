import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { DeviceStore } from '../../tokens/families/device.store.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { SessionDirectoryService } from '../../tokens/families/session-directory.service.js';
import type { DeviceDto, DevicesDto } from '../auth.dto.js';
import { refuseAuth } from '../auth.errors.js';
import type { Principal } from '../principal.js';

/** The devices on which a user is logged in. Each one owns a token family, a session, or both, which are one entry. */
@Injectable()
export class DevicesService {
  constructor(
    private readonly devices: DeviceStore,
    private readonly revocations: RevocationService,
    private readonly directory: SessionDirectoryService,
  ) {}

  /** Last used first. */
  async list({ userId, sid, sessionId }: Principal): Promise<DevicesDto> {
    const [families, sessions] = await Promise.all([
      this.devices.list(userId),
      this.directory.sessions.ofUser(userId),
    ]);
    const devices = [
      ...families.map((family): DeviceDto => ({
        ...family,
        scheme: 'bearer',
        current: family.id === sid,
      })),
      ...sessions.map((session): DeviceDto => ({
        id: session.id,
        scheme: 'session',
        created_at: session.last_used_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
        ip: null,
        user_agent: null,
        current: session.sid === sessionId,
      })),
    ];
    return { devices: devices.toSorted((a, b) => b.last_used_at.getTime() - a.last_used_at.getTime()) };
  }

  /** Revokes the device's family or session. Throws 404 `device_not_found` for one of another user. */
  async remove(id: string, { userId }: Principal, origin: Origin): Promise<void> {
    if (await this.devices.isOwned(id, userId)) {
      await this.revocations.revokeFamilies([id], 'logout', 'logout', origin);
    } else if (!(await this.directory.sessions.revokeOf(userId, id, origin))) {
      throw refuseAuth('device_not_found');
    }
  }
}
