import * as v from 'valibot'

/**
 * Whom a resource policy lets in for certain: everybody, another account, an organisation, a service of AWS, or nobody from
 * outside. Whatever is none of these, as most conditions, is `unclear`: it may be open or not.
 */
export type OutsideAccess =
  | { to: 'everybody' | 'unclear' }
  | { to: 'account' | 'organisation' | 'service'; names: string[] }

const oneOrMore = v.union([v.string(), v.array(v.string())])
const statement = v.object({
  Effect: v.picklist(['Allow', 'Deny']),
  Principal: v.optional(v.union([v.literal('*'), v.record(v.string(), oneOrMore)])),
  NotPrincipal: v.optional(v.unknown()),
  Action: v.optional(oneOrMore),
  NotAction: v.optional(oneOrMore),
  Resource: v.optional(oneOrMore),
  NotResource: v.optional(oneOrMore),
  // An empty one asks for nothing.
  Condition: v.pipe(
    v.optional(v.record(v.string(), v.record(v.string(), v.unknown()))),
    v.transform(given => (given && Object.keys(given).length ? given : undefined)),
  ),
})
type Statement = v.InferOutput<typeof statement>
const schema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ Statement: v.union([statement, v.array(statement)]) }),
)

/** These tell of a secret or a parameter, and neither its value nor change it. */
const HARMLESS_ACTIONS =
  /^(secretsmanager:(describesecret|listsecretversionids|getresourcepolicy)|ssm:(describeparameters|listtagsforresource|getresourcepolicies))$/i

const READ_ACTION = 'secretsmanager:GetSecretValue'

/** Whom a resource policy, as JSON, lets in from outside the account; nothing if it lets in nobody. */
export function outsideAccessOf(policy: string, account: string): OutsideAccess[] {
  const statements = statementsIn(policy)
  if (!statements) return [{ to: 'unclear' }]
  const denials = statements.filter(({ Effect }) => Effect === 'Deny').filter(each => !asksForTls(each))
  if (denials.some(deniesEverything)) return []
  return statements
    .filter(each => each.Effect === 'Allow' && !isHarmless(each))
    .flatMap(each => {
      const open = opennessOfStatement(each, account)
      // A denial may take back what is allowed, to whom it is hard to tell.
      return open.length && isTakenBack(each, denials) ? [{ to: 'unclear' as const }] : open
    })
}

/** Whoever may do all but a few things may read it. */
const isHarmless = ({ Action, NotAction }: Statement) =>
  NotAction === undefined && toList(Action).every(each => HARMLESS_ACTIONS.test(each))

/** Whether one of these denials may be about what a statement allows: about reading, if it allows that. */
function isTakenBack(allowed: Statement, denials: Statement[]): boolean {
  const matters = allowsReading(allowed) ? [READ_ACTION] : toList(allowed.Action)
  return denials.some(
    ({ Action, NotAction }) =>
      NotAction !== undefined ||
      toList(Action).some(denied => matters.some(each => mayMeanTheSame(denied, each))),
  )
}

const allowsReading = ({ Action, NotAction }: Statement) =>
  NotAction !== undefined || toList(Action).some(each => mayMeanTheSame(each, READ_ACTION))

/** Whether two names of actions, each with wildcards or without, have an action in common, as far as that is easily told. */
function mayMeanTheSame(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  const isPattern = (name: string) => /[*?]/.test(name)
  if (isPattern(a) && isPattern(b)) return true
  return isPattern(a) ? matchesPattern(b, a) : matchesPattern(a, b)
}

/** Whether a name fits a pattern of IAM. It goes once over the pattern, however many stars are in it. */
function matchesPattern(name: string, pattern: string): boolean {
  let ends = new Set([0])
  for (const sign of pattern) {
    const some = [...ends]
    ends = new Set(
      sign === '*'
        ? Array.from({ length: name.length + 1 }, (_, n) => n).slice(Math.min(...some, name.length + 1))
        : some.filter(n => n < name.length && (sign === '?' || name[n] === sign)).map(n => n + 1),
    )
  }
  return ends.has(name.length)
}

function statementsIn(policy: string): Statement[] | undefined {
  const { success, output } = v.safeParse(schema, policy)
  return success ? [output.Statement].flat() : undefined
}

/** The denial of whatever does not come over TLS, which lets nobody out who does. */
const asksForTls = ({ Condition = {} }: Statement) =>
  JSON.stringify(Condition).toLowerCase().replaceAll('["false"]', '"false"') ===
  '{"bool":{"aws:securetransport":"false"}}'

/** Whether a denial leaves nothing to anybody. */
const deniesEverything = ({ Principal, NotPrincipal, Action, NotAction, Resource, Condition }: Statement) =>
  isEverybody(Principal) &&
  NotPrincipal === undefined &&
  NotAction === undefined &&
  toList(Resource).includes('*') &&
  Condition === undefined &&
  toList(Action).some(action => /^(\*|(secretsmanager|ssm):\*)$/i.test(action))

function opennessOfStatement(
  { Principal, NotPrincipal, NotAction, Condition }: Statement,
  account: string,
): OutsideAccess[] {
  if (NotPrincipal !== undefined || Principal === undefined) return [{ to: 'unclear' }]
  if (toList(NotAction).some(each => mayMeanTheSame(each, READ_ACTION))) return [{ to: 'unclear' }]
  if (isEverybody(Principal)) return [Condition ? organisationIn(Condition) : { to: 'everybody' }]
  return Object.entries(Principal as Record<string, string | string[]>).flatMap(
    ([kind, given]): OutsideAccess[] => {
      const names = toList(given)
      if (kind === 'Service') return [{ to: 'service', names }]
      if (kind !== 'AWS') return [{ to: 'unclear' }]
      const accounts = names.map(accountOf)
      if (accounts.includes(undefined)) return [{ to: 'unclear' }]
      const others = [...new Set(accounts.flatMap(each => (each && each !== account ? [each] : [])))]
      if (!others.length) return []
      return [Condition ? { to: 'unclear' } : { to: 'account', names: others }]
    },
  )
}

const isEverybody = (principal: Statement['Principal']) =>
  principal === '*' || (principal !== undefined && toList(principal.AWS).includes('*'))

/** The organisation that a condition names, and nothing else beside it. */
function organisationIn(condition: NonNullable<Statement['Condition']>): OutsideAccess {
  const [[operator = '', keys = {}] = [], ...others] = Object.entries(condition)
  const [[key = '', value] = [], ...more] = Object.entries(keys)
  const names = toList(value as string | string[] | undefined)
  const isOrganisation =
    operator === 'StringEquals' &&
    key.toLowerCase() === 'aws:principalorgid' &&
    names.length > 0 &&
    names.every(name => /^o-[a-z0-9]{10,32}$/.test(name))
  return isOrganisation && !others.length && !more.length ? { to: 'organisation', names } : { to: 'unclear' }
}

/** The account of a principal: its number, or that of an ARN. Undefined for the id of a user or role that is gone. */
function accountOf(principal: string): string | undefined {
  return /^(\d{12})$/.exec(principal)?.[1] ?? /^arn:[\w-]+:(?:iam|sts)::(\d{12}):/.exec(principal)?.[1]
}

const toList = (given: string | string[] | undefined): string[] => (given === undefined ? [] : [given].flat())
