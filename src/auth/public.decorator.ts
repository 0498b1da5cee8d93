import { SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { perRoute } from '../common/per-route.js';

export const IS_PUBLIC = 'auth:public';

const reflector = new Reflector();

/** Opens a route to everybody. Every other route is closed. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

export const isPublic = perRoute(
  (context) =>
    reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [
      context.getHandler(),
      context.getClass(),
    ]) === true,
);
