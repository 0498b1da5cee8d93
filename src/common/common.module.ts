import { Global, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { BACKGROUND, BackgroundLoops } from './background-loops.js';
import { Clock } from './clock.js';

@Global()
@Module({
  providers: [Clock, BackgroundLoops, { provide: BACKGROUND, useValue: true }],
  exports: [BackgroundLoops, Clock],
})
export class CommonModule {
  /** Builds the module for a process that is not a node. Its provider overrides the one in the decorator. */
  static withoutBackground(): DynamicModule {
    return { module: CommonModule, providers: [{ provide: BACKGROUND, useValue: false }] };
  }
}
