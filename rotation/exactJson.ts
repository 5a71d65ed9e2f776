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
