import { SetMetadata, applyDecorators } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import { perRoute } from '../common/per-route.js';

const IS_TOKEN_ONLY = 'auth:token-only';

const reflector = new Reflector();

/** The same in the description of an operation. */
export const TOKEN_ONLY_EXTENSION = 'x-token-only';

/** For a route where only an access token counts, whatever other ways in there are. */
export const TokenOnly = () =>
  applyDecorators(SetMetadata(IS_TOKEN_ONLY, true), ApiExtension(TOKEN_ONLY_EXTENSION, true));

export const isTokenOnly = perRoute(
  (context) => reflector.get<boolean | undefined>(IS_TOKEN_ONLY, context.getHandler()) === true,
);
