export function buildIfStale(root: string, log: (line: string) => void): Promise<void>;
export function isFresh(root: string): boolean;
