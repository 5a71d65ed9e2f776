import * as v from 'valibot'

/**
 * Whom a resource policy lets in for certain: everybody, another account, an organisation, a service of AWS, or nobody from
 * outside. Whatever is none of these, as most conditions, is `unclear`: it may be open or not.
 */
export type Openness =
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
const HARMLESS =
  /^(secretsmanager:(describesecret|listsecretversionids|getresourcepolicy)|ssm:(describeparameters|listtagsforresource|getresourcepolicies))$/i

const READING = 'secretsmanager:GetSecretValue'

/** Whom a resource policy, as JSON, lets in from outside the account; nothing if it lets in nobody. */
export function opennessOf(policy: string, account: string): Openness[] {
  const statements = statementsIn(policy)
  if (!statements) return [{ to: 'unclear' }]
  const denials = statements.filter(({ Effect }) => Effect === 'Deny').filter(each => !asksForTls(each))
  if (denials.some(isForAll)) return []
  return statements
    .filter(each => each.Effect === 'Allow' && !isHarmless(each))
    .flatMap(each => {
      const open = openTo(each, account)
      // A denial may take back what is allowed, to whom it is hard to tell.
      return open.length && isTakenBack(each, denials) ? [{ to: 'unclear' as const }] : open
    })
}

/** Whoever may do all but a few things may read it. */
const isHarmless = ({ Action, NotAction }: Statement) =>
  NotAction === undefined && listed(Action).every(each => HARMLESS.test(each))

/** Whether one of these denials may be about what a statement allows: about reading, if it allows that. */
function isTakenBack(allowed: Statement, denials: Statement[]): boolean {
  const matters = allowsReading(allowed) ? [READING] : listed(allowed.Action)
  return denials.some(
    ({ Action, NotAction }) =>
      NotAction !== undefined ||
      listed(Action).some(denied => matters.some(each => mayMeanTheSame(denied, each))),
  )
}

const allowsReading = ({ Action, NotAction }: Statement) =>
  NotAction !== undefined || listed(Action).some(each => mayMeanTheSame(each, READING))

/** Whether two names of actions, each with wildcards or without, have an action in common, as far as that is easily told. */
function mayMeanTheSame(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  const isPattern = (name: string) => /[*?]/.test(name)
  if (isPattern(a) && isPattern(b)) return true
  return isPattern(a) ? fits(b, a) : fits(a, b)
}

/** Whether a name fits a pattern of IAM. It goes once over the pattern, however many stars are in it. */
function fits(name: string, pattern: string): boolean {
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
const isForAll = ({ Principal, NotPrincipal, Action, NotAction, Resource, Condition }: Statement) =>
  isEverybody(Principal) &&
  NotPrincipal === undefined &&
  NotAction === undefined &&
  listed(Resource).includes('*') &&
  Condition === undefined &&
  listed(Action).some(action => /^(\*|(secretsmanager|ssm):\*)$/i.test(action))

function openTo({ Principal, NotPrincipal, NotAction, Condition }: Statement, account: string): Openness[] {
  if (NotPrincipal !== undefined || Principal === undefined) return [{ to: 'unclear' }]
  if (listed(NotAction).some(each => mayMeanTheSame(each, READING))) return [{ to: 'unclear' }]
  if (isEverybody(Principal)) return [Condition ? organisationIn(Condition) : { to: 'everybody' }]
  return Object.entries(Principal as Record<string, string | string[]>).flatMap(
    ([kind, given]): Openness[] => {
      const names = listed(given)
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
  principal === '*' || (principal !== undefined && listed(principal.AWS).includes('*'))

/** The organisation that a condition names, and nothing else beside it. */
function organisationIn(condition: NonNullable<Statement['Condition']>): Openness {
  const [[operator = '', keys = {}] = [], ...others] = Object.entries(condition)
  const [[key = '', value] = [], ...more] = Object.entries(keys)
  const names = listed(value as string | string[] | undefined)
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

const listed = (given: string | string[] | undefined): string[] => (given === undefined ? [] : [given].flat())
