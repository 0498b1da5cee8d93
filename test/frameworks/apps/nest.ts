// A product on Nest 11 or 12. The first argument names the platform: express or fastify.
import 'reflect-metadata';
import { Body, Controller, Get, HttpCode, Module, Post } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { CurrentPrincipal, Public, Roles, TandemAuthGuard, TandemModule } from '@tandem-auth/verifier/nest';
import { createTestKit } from '@tandem-auth/verifier/testing';
import type { Principal } from '@tandem-auth/verifier';

const kit = await createTestKit();

@Controller()
class OrdersController {
  @Public()
  @Get('open')
  open(@CurrentPrincipal() principal: Principal | undefined) {
    return { principal: principal ?? null };
  }

  @Get('me')
  me(@CurrentPrincipal() principal: Principal) {
    return principal;
  }

  @Roles('admin')
  @Get('admin')
  admin() {
    return {};
  }

  @Post('echo')
  @HttpCode(200)
  echo(@Body() body: object) {
    return body;
  }
}

@Module({
  imports: [
    process.argv[3] === 'async'
      ? TandemModule.forRootAsync({ useFactory: () => Promise.resolve({ verifier: kit.verifier }) })
      : TandemModule.forRoot({ verifier: kit.verifier }),
  ],
  controllers: [OrdersController],
  providers: [{ provide: APP_GUARD, useExisting: TandemAuthGuard }],
})
class ProductModule {}

const express = process.argv[2] === 'express';
const platform = (await import(`@nestjs/platform-${express ? 'express' : 'fastify'}`)) as Record<
  string,
  new () => AbstractHttpAdapter
>;
const adapter = new platform[express ? 'ExpressAdapter' : 'FastifyAdapter']!();
const app = await NestFactory.create(ProductModule, adapter, { logger: false });
await app.listen(0, '127.0.0.1');
const { announce } = (await import(new URL('announce.mjs', import.meta.url).href)) as {
  announce: (with_: typeof kit, port: string) => Promise<void>;
};
await announce(kit, new URL(await app.getUrl()).port);
