import { IsOptional, IsString } from 'class-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../../src/common/problem.js';
import { validateBody } from '../../../src/common/validation.js';

class Note {
  @IsString()
  text!: string;

  @IsOptional()
  @IsString()
  title?: string;
}

describe('a body', () => {
  it('becomes an instance of its class', async () => {
    const note = await validateBody(Note, { text: 'x' });
    expect(note).toBeInstanceOf(Note);
    expect(note).toEqual({ text: 'x' });
  });

  it('that is absent is refused like an empty one', async () => {
    await expect(validateBody(Note, undefined)).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ field: 'text', message: 'text must be a string' }],
    });
  });

  it('passes with any text that is well-formed and has no NUL', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        const storable = !text.includes('\0') && text.isWellFormed();
        const passed = await validateBody(Note, { text }).then(
          (note) => note.text === text,
          () => false,
        );
        expect(passed).toBe(storable);
      }),
    );
  });

  it('of any other kind is refused as a problem and never by accident', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything({ withNullPrototype: true, maxDepth: 20 }), async (body) => {
        const error: unknown = await validateBody(Note, body).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(Problem);
      }),
    );
  });
});
