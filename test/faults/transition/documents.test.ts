import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import { aUser, codeOf, tryLogin } from '../../helpers/client.js';
import { blocksOf } from '../../helpers/doc-blocks.js';
import { DOCUMENT_TIMEOUT, runOnOwnNode } from '../../helpers/document-node.js';

/** Pages that are deleted together with the transition. `rollout.md` has its own test, because its block is a module. */
const EXECUTED = ['docs/transition/rollout-report.md'];

const GUIDE = 'docs/auth-migration-guide.md';

describe('the documents of the transition', () => {
  it.each(EXECUTED)('every code block in %s runs as written', { timeout: DOCUMENT_TIMEOUT }, (path) =>
    runOnOwnNode(path),
  );

  it('the blocks for clients in the migration guide run as written', { timeout: DOCUMENT_TIMEOUT }, () =>
    runOnOwnNode(GUIDE, { section: 'For API clients' }),
  );

  it(
    'the path of an operator in the migration guide works from the phase off on',
    { timeout: DOCUMENT_TIMEOUT },
    () => runOnOwnNode(GUIDE, { section: 'For operators', settings: { ROLLOUT_PHASE: 'off' } }),
  );

  it('the module in docs/transition/rollout.md replaces the flag provider', async () => {
    const project = join(import.meta.dirname, '..', '..', '..');
    const [block] = blocksOf(await readFile(join(project, 'docs', 'transition', 'rollout.md'), 'utf8'));
    // Inside the project, so that it is compiled like the other sources.
    const folder = await mkdtemp(join(import.meta.dirname, 'documents-'));
    try {
      const flag = join(project, 'src', 'transition', 'rollout', 'rollout-flag.service.js');
      await writeFile(
        join(folder, 'our-flag.module.ts'),
        block!.text.replace('./rollout/rollout-flag.service.js', flag),
      );
      await writeFile(
        join(folder, 'our-provider.ts'),
        `import { InMemoryProvider } from '@openfeature/server-sdk';
         export const ourProvider = new InMemoryProvider({
           tokens: { variants: { no: false }, defaultVariant: 'no', disabled: false },
         });`,
      );
      const { OurFlagModule } = (await import(join(folder, 'our-flag.module.ts'))) as Record<string, Type>;
      const app = await createTestApp({ imports: [OurFlagModule!] });
      try {
        // Without that provider everybody is eligible in a new database.
        expect(codeOf(await tryLogin(app, await aUser(app)))).toBe('jwt_not_enabled');
      } finally {
        await app.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
