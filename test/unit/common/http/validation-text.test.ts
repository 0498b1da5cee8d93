import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { getMetadataStorage } from 'class-validator';
import { describe, expect, it } from 'vitest';
import type { Problem } from '../../../../src/common/http/problem.js';
import { validationPipe } from '../../../../src/common/http/validation.js';

const SRC = join(import.meta.dirname, '../../../../src');

/** A value of a wrong type for what a rule about size is about. */
const WRONG: Readonly<Record<string, unknown>> = {
  max: '1e1',
  min: '1e1',
  maxLength: 7,
  minLength: 7,
  arrayMaxSize: 'x',
  arrayMinSize: 'x',
  arrayUnique: 'x',
};

type Dto = new () => object;

async function dtos(): Promise<Dto[]> {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.dto.ts'),
  );
  const modules = await Promise.all(files.map((file) => import(join(SRC, file)) as Promise<object>));
  return modules.flatMap((module) =>
    Object.values(module).filter((it): it is Dto => typeof it === 'function'),
  );
}

async function textFor(dto: Dto, field: string, value: unknown): Promise<string | undefined> {
  try {
    await validationPipe.transform({ [field]: value }, { type: 'body', metatype: dto });
    return undefined;
  } catch (error) {
    return (error as Problem).errors?.find((one) => one.field === field)?.message;
  }
}

const CASES = (await dtos()).flatMap((dto) =>
  getMetadataStorage()
    .getTargetValidationMetadatas(dto, '', true, false)
    .filter(({ name, each }) => name !== undefined && name in WRONG && each !== true)
    .map(({ propertyName, name }) => [dto.name, propertyName, WRONG[name!], dto] as const),
);

describe('the message for a value of the wrong type', () => {
  it('is tested for many DTOs', () => {
    expect(CASES.length).toBeGreaterThan(10);
  });

  it.each(CASES)('in %s.%s (%j) is about the type', async (_, field, value, dto) => {
    const text = await textFor(dto, field, value);
    expect(text).toBeDefined();
    expect(text).not.toMatch(/greater|less|longer|shorter|at least|no more than|unique/);
  });
});
