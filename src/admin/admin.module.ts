import { Module } from '@nestjs/common';
import { TokensModule } from '../tokens/tokens.module.js';
import { UsersModule } from '../users/users.module.js';
import { AdminUsersController } from './users.admin.controller.js';

@Module({ imports: [TokensModule, UsersModule], controllers: [AdminUsersController] })
export class AdminModule {}
