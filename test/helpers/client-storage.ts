import type { TokenStorage } from '../../packages/client/src/storage.js';

/** A storage that several clients can share, as tabs share `localStorage`. */
export class MapStorage implements TokenStorage {
  readonly values = new Map<string, string>();

  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.values.set(key, value);
  }

  removeItem(key: string): void {
    this.values.delete(key);
  }

  /** The only value; undefined if the storage is empty. */
  get value(): string | undefined {
    return [...this.values.values()][0];
  }
}
