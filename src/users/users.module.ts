import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountStore } from './account.store.js';
import { FirstUsers } from './first-users.js';
import { PasswordHasher } from './password-hasher.js';
import { PasswordPolicy } from './password-policy.js';
import { User } from './user.entity.js';
import { UserService } from './user.service.js';
import { UserStore } from './user.store.js';

@Module({
  imports: [TypeOrmModule.forFeature([User])],
  providers: [AccountStore, FirstUsers, PasswordHasher, PasswordPolicy, UserService, UserStore],
  exports: [AccountStore, PasswordHasher, UserService, UserStore],
})
export class UsersModule {}
