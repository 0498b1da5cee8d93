import { describe, expect, it } from 'vitest';

interface Sbom {
  readonly productionOnly: (sbom: object, required: readonly string[]) => object;
}

const { productionOnly } = (await import(new URL('../../../scripts/sbom.mjs', import.meta.url).href)) as Sbom;

const DEVELOPMENT = [{ name: 'cdx:npm:package:development', value: 'true' }];

const ALL = {
  metadata: { component: { 'bom-ref': 'root@1' } },
  components: [
    { 'bom-ref': 'shared@1', properties: [] },
    { 'bom-ref': 'tool@1', properties: DEVELOPMENT },
  ],
  dependencies: [
    { ref: 'root@1', dependsOn: ['shared@1', 'tool@1'] },
    { ref: 'shared@1', dependsOn: [] },
    { ref: 'tool@1', dependsOn: ['shared@1'] },
  ],
};

describe('the SBOM', () => {
  it('has production dependencies only, and no reference to another one', () => {
    expect(productionOnly(ALL, ['shared@1'])).toEqual({
      metadata: ALL.metadata,
      components: [{ 'bom-ref': 'shared@1', properties: [] }],
      dependencies: [
        { ref: 'root@1', dependsOn: ['shared@1'] },
        { ref: 'shared@1', dependsOn: [] },
      ],
    });
  });

  it('is refused if a direct dependency is missing', () => {
    expect(() => productionOnly(ALL, ['shared@1', 'lost@2'])).toThrow('the SBOM lacks lost@2');
  });
});
