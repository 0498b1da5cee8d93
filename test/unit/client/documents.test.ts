import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { blocksOf, read } from '../../helpers/doc-blocks.js';

const BLOCKS = blocksOf(read('docs/adopt/clients.md')).filter(({ language }) => language === 'tsx');

describe('the recipes for React and React Native', () => {
  it.each(BLOCKS)('the block at line $line has no syntax error', ({ text }) => {
    const { diagnostics } = ts.transpileModule(text, {
      fileName: 'block.tsx',
      reportDiagnostics: true,
      compilerOptions: { jsx: ts.JsxEmit.ReactJSX },
    });
    expect(diagnostics).toEqual([]);
  });

  it('are two', () => {
    expect(BLOCKS.length).toBe(2);
  });
});
