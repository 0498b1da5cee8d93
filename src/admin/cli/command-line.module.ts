import { Module } from '@nestjs/common';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsersModule } from '../../users/users.module.js';
import { ImportCommand } from './import.command.js';
import { KeysCommand } from './keys.command.js';

/** The commands over users, tokens, keys and audit; other features bring their own. */
@Module({ imports: [TokensModule, UsersModule], providers: [ImportCommand, KeysCommand] })
export class CommandLineModule {}
