import type { FeatureErrors } from './common/http/problem.js';

const INTRODUCTION = `# Errors

For developers of clients. After reading you know which codes to expect and what to rely on.

\`npm run docs\` generates this page from the error tables in \`src\`. Edit those.

Every error is \`application/problem+json\` (RFC 9457): \`{type, title, status, detail, code, request_id}\`, and \`errors\` with
\`{field, message}\` for each field when the code is \`validation_failed\`. \`type\` is \`urn:tandem:error:<code>\`. Rely on
\`code\`, which is stable; \`detail\` is for people. \`request_id\` is the \`X-Request-Id\` of the answer: it finds the log line.
`;

/** The text of `docs/errors.md`, sorted by status and code, in the formatter's layout. */
export function errorsDocument(features: readonly FeatureErrors[]): string {
  const rows = features
    .flatMap(({ feature, table }) =>
      Object.entries(table).map(([code, { status, title }]) => ({ code, status, title, feature })),
    )
    .toSorted((a, b) => a.status - b.status || (a.code < b.code ? -1 : 1))
    .map(({ code, status, title, feature }) => [`\`${code}\``, String(status), title, `\`${feature}\``]);
  return `${INTRODUCTION}\n${markdownTable([['code', 'status', 'title', 'feature'], ...rows])}`;
}

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('');
}
