import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { DeviceStore } from '../../tokens/families/device.store.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import type { DevicesDto } from '../auth.dto.js';
import { refuseAuth } from '../auth.errors.js';
import type { Principal } from '../principal.js';

/** The devices on which a user is logged in. Each one owns a token family. */
@Injectable()
export class DevicesService {
  constructor(
    private readonly devices: DeviceStore,
    private readonly revocations: RevocationService,
  ) {}

  /** Last used first. */
  async list({ userId, sid }: Principal): Promise<DevicesDto> {
    const devices = await this.devices.list(userId);
    return { devices: devices.map((device) => ({ ...device, current: device.id === sid })) };
  }

  /** Revokes the device's family. Throws 404 `device_not_found` for a family of another user. */
  async remove(id: string, { userId }: Principal, origin: Origin): Promise<void> {
    if (!(await this.devices.isOwned(id, userId))) throw refuseAuth('device_not_found');
    await this.revocations.revokeFamilies([id], 'logout', 'logout', origin);
  }
}
