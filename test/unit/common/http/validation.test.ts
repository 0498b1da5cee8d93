import { IsOptional, IsString } from 'class-validator';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../../../src/common/http/problem.js';
import { validationPipe } from '../../../../src/common/http/validation.js';

class Note {
  @IsString()
  text!: string;

  @IsOptional()
  @IsString()
  title?: string;
}

const bodyOf = async (body: unknown) =>
  (await validationPipe.transform(body, { type: 'body', metatype: Note })) as Note;

describe('a body', () => {
  it('becomes an instance of its class', async () => {
    const note = await bodyOf({ text: 'x' });
    expect(note).toBeInstanceOf(Note);
    expect(note).toEqual({ text: 'x' });
  });

  it('is refused like an empty one if it is absent', async () => {
    await expect(bodyOf(undefined)).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ field: 'text', message: 'text must be a string' }],
    });
  });

  it.each([
    `tandem_rt_${'A'.repeat(72)}`,
    'hunter2-secret',
    'x'.repeat(32),
    'two words',
    'a.b',
    '',
    '$1',
    'naïve',
  ])('does not repeat a property named %s, which may be a secret', async (name) => {
    for (const body of [{ text: 'x', [name]: 1 }, { text: { [name]: { [name]: '\0' } } }]) {
      const problem = await bodyOf(body).catch((error: unknown) => error as Problem);
      expect(problem).toMatchObject({ code: 'validation_failed' });
      if (name !== '') expect(JSON.stringify(problem)).not.toContain(name);
    }
  });

  it('names an unknown property if it looks like a field', async () => {
    await expect(bodyOf({ text: 'x', titel: 'y' })).rejects.toMatchObject({
      errors: [{ field: 'titel', message: 'property titel should not exist' }],
    });
  });

  it('passes with any well-formed text without NUL', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        const storable = !text.includes('\0') && text.isWellFormed();
        const passed = await bodyOf({ text }).then(
          (note) => note.text === text,
          () => false,
        );
        expect(passed).toBe(storable);
      }),
    );
  });

  it('is refused with a problem if it is anything else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything({ withNullPrototype: true, maxDepth: 20 }), async (body) => {
        const error: unknown = await bodyOf(body).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(Problem);
      }),
    );
  });
});
