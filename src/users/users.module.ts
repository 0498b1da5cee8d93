import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { AccountStore } from './account.store.js';
import { AdminRole, adminRoleProvider } from './admin-role.js';
import { FirstUsersService } from './first-users.service.js';
import { UserImportService } from './import/import.service.js';
import { ImportStore } from './import/import.store.js';
import { PasswordHasher } from './hashing/password-hasher.js';
import { PasswordPolicy } from './password-policy.js';
import { ProductAuthorityService } from './product-authority.service.js';
import { StatedHashes } from './stated-hashes.service.js';
import { UpsertStore } from './upsert.store.js';
import { User } from './user.entity.js';
import { UserService } from './user.service.js';
import { UserStore } from './user.store.js';

@Module({
  imports: [AuditModule, TypeOrmModule.forFeature([User])],
  providers: [
    AccountStore,
    adminRoleProvider,
    FirstUsersService,
    ImportStore,
    PasswordHasher,
    PasswordPolicy,
    ProductAuthorityService,
    StatedHashes,
    UpsertStore,
    UserImportService,
    UserService,
    UserStore,
  ],
  exports: [
    AccountStore,
    AdminRole,
    FirstUsersService,
    PasswordHasher,
    ProductAuthorityService,
    StatedHashes,
    UpsertStore,
    UserImportService,
    UserService,
    UserStore,
  ],
})
export class UsersModule {}
