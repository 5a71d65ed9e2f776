import * as v from 'valibot'
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml'
import { ruleTexts } from '../rules/rules.ts'
import { DEFAULT_POLICY, type Policy } from './policy.ts'
import { policyFromFile, policySchema } from './schema.ts'

/** A policy file is not valid. `line` is the number of the wrong line, from 1 on, if it is known. */
export class InvalidPolicy extends Error {
  override readonly name = 'InvalidPolicy'
  readonly line: number | undefined
  constructor(message: string, line?: number) {
    super(line === undefined ? message : `line ${line}: ${message}`)
    this.line = line
  }
}

/** How many characters a policy file may have. */
export const MAX_POLICY_LENGTH = 1024 * 1024

const ruleIds = ruleTexts.map(({ id }) => id)

/**
 * The policy of a file, with the defaults for what the file leaves out.
 * @param text the file's YAML
 * @throws InvalidPolicy that names the line, the field, and what it should be
 */
export function readPolicy(text: string): Policy {
  if (text.length > MAX_POLICY_LENGTH)
    throw new InvalidPolicy(`it has more than ${MAX_POLICY_LENGTH.toLocaleString('en')} characters`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const lineOf = (offset: number | undefined) =>
    offset === undefined ? undefined : lines.linePos(offset).line
  const [broken] = document.errors
  if (broken) throw new InvalidPolicy(`it is no YAML: ${broken.message}`, lineOf(broken.pos[0]))
  const at = (path: PropertyKey[]) => lineOf(offsetOf(document.contents, path))
  const given = parseContent(document)
  if (given === null) return DEFAULT_POLICY
  if (typeof given !== 'object' || Array.isArray(given))
    throw new InvalidPolicy('the file should hold settings, each with a name', at([]))
  const result = v.safeParse(policySchema, given, { abortPipeEarly: true })
  if (!result.success) {
    const [issue] = result.issues
    const path = (issue.path ?? []).map(({ key }) => key as PropertyKey)
    throw new InvalidPolicy(`${fieldPath(path)} ${issueText(issue)}`, at(path))
  }
  const policy = policyFromFile(result.output)
  const unknown = policy.exceptions.findIndex(({ rule }) => !ruleIds.includes(rule))
  if (unknown !== -1)
    throw new InvalidPolicy(
      `exceptions[${unknown}].rule should be one of: ${ruleIds.join(', ')}`,
      at(['exceptions', unknown, 'rule']),
    )
  return policy
}

/** The document as values of JavaScript. @throws InvalidPolicy if its aliases expand to too much */
function parseContent(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new InvalidPolicy(`it is no YAML: ${error instanceof Error ? error.message : error}`)
  }
}

const fieldPath = (path: PropertyKey[]) =>
  path.length === 0
    ? 'the file'
    : path.map((key, n) => (typeof key === 'number' ? `[${key}]` : `${n ? '.' : ''}${String(key)}`)).join('')

function issueText(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'strict_object' && issue.expected === 'never')
    return 'is no setting: docs/audit.md lists them'
  if (issue.type === 'strict_object' && issue.received === 'undefined') return 'is missing'
  return issue.type === 'strict_object' ? 'should hold settings, each with a name' : issue.message
}

/**
 * The offset in the text of what a path leads to: of the key in a map, or of the item in a list. Where a part of the path is
 * missing, it is the offset of the last part that was found.
 */
function offsetOf(contents: unknown, path: PropertyKey[]): number | undefined {
  let [node, offset]: [unknown, number | undefined] = [contents, rangeOf(contents)]
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find(item => isPair(item) && isScalar(item.key) && item.key.value === key)
      if (!pair) return offset
      offset = rangeOf(pair.key) ?? offset
      node = pair.value
    } else {
      node = isNode(node) && 'items' in node ? (node.items as unknown[])[Number(key)] : undefined
      offset = rangeOf(node) ?? offset
    }
  }
  return offset
}

const rangeOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined)
