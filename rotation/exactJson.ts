/** JSON.rawJSON, which TypeScript's types do not have yet. */
const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown }

/**
 * Parses JSON and keeps the source text of numbers, so that `JSON.stringify` returns every digit, also of a number that JavaScript
 * cannot represent.
 * @throws SyntaxError
 */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key: string, value: unknown, context?: { source: string }) =>
    typeof value === 'number' && context ? rawJSON(context.source) : value,
  )
}

/**
 * Adds a member to the end of the text of a JSON object, with the white space of its first member. The object must have a member
 * already. The rest of the text stays byte for byte as it is.
 */
export function addJsonMember(text: string, name: string, value: string): string {
  const [, before = '', after = ''] = /^\s*\{(\s*)"(?:[^"\\]|\\.)*"\s*:(\s*)/.exec(text) ?? []
  const members = text.slice(0, text.lastIndexOf('}')).trimEnd()
  const added = `,${before}${JSON.stringify(name)}:${after}${JSON.stringify(value)}`
  return members + added + text.slice(members.length)
}
