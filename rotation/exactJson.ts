/** TypeScript's library does not know this part of the language yet. */
const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown }

/**
 * Reads JSON. Numbers keep their source text, so `JSON.stringify` gives every value back to the last digit, also one
 * that is no number of JavaScript's.
 * @throws SyntaxError
 */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key: string, value: unknown, context?: { source: string }) =>
    typeof value === 'number' && context ? rawJSON(context.source) : value,
  )
}

/**
 * The text of a JSON object that has members, with one more behind them, laid out as the first one is; all else stays byte for
 * byte as it was.
 */
export function addJsonMember(text: string, name: string, value: string): string {
  const [, before = '', after = ''] = /^\s*\{(\s*)"(?:[^"\\]|\\.)*"\s*:(\s*)/.exec(text) ?? []
  const members = text.slice(0, text.lastIndexOf('}')).trimEnd()
  const added = `,${before}${JSON.stringify(name)}:${after}${JSON.stringify(value)}`
  return members + added + text.slice(members.length)
}
