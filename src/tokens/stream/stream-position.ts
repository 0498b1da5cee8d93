import { hash } from 'node:crypto';

/** How far a consumer has followed the feed of one database. */
export interface StreamPosition {
  /** Identifies the database and its server. */
  readonly incarnation: string;
  /** The consumer knows everything that transactions older than this one have committed. */
  readonly horizon: number;
}

const POSITION = /^([A-Za-z0-9_-]{16})\.(\d{1,15})$/;

/** A short name for a server, the same on every node. */
export function incarnationOf(server: string): string {
  return hash('sha256', server, 'base64url').slice(0, 16);
}

/** The `id` of an event. */
export function formatPosition({ incarnation, horizon }: StreamPosition): string {
  return `${incarnation}.${horizon}`;
}

/** The position in a `Last-Event-ID` header; undefined for any other text. */
export function parsePosition(text: string | undefined): StreamPosition | undefined {
  const [, incarnation, horizon] = POSITION.exec(text ?? '') ?? [];
  return incarnation === undefined ? undefined : { incarnation, horizon: Number(horizon) };
}
