import { Global, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { BACKGROUND } from './background.js';
import { Clock } from './clock.js';

@Global()
@Module({
  providers: [Clock, { provide: BACKGROUND, useValue: true }],
  exports: [BACKGROUND, Clock],
})
export class CommonModule {
  /** For a process that is no node. What it says of a provider counts instead of what the decorator says. */
  static withoutBackground(): DynamicModule {
    return { module: CommonModule, providers: [{ provide: BACKGROUND, useValue: false }] };
  }
}
