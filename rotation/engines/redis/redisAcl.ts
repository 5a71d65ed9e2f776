import { createHash } from 'node:crypto'
import { DatabaseFailed } from '../../errors.ts'
import { NotAClone } from '../notAClone.ts'

/**
 * One user as ACL LIST shows it, in the words that ACL SETUSER accepts
 * (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
 */
export type AclUser = {
  name: string
  /** Each `#` and a digest, or `nopass`. */
  passwords: string[]
  /** The other rules, without `on` and `off`. A selector, which is a list of rules in parentheses, counts as one rule. */
  rules: string[]
}

/** Whether a user logs in with any password (`nopass`). */
export const takesAnyPassword = ({ passwords }: AclUser) => passwords.includes('nopass')

/** Rules that AclUser leaves out. `sanitize-payload` is the default, which servers show for some users and not for others. */
const IGNORED_RULES = ['on', 'off', 'sanitize-payload']

/** Computes what Redis stores for a password: its SHA-256 in hexadecimal, without a salt. */
export const passwordDigest = (password: string) => createHash('sha256').update(password).digest('hex')

/**
 * Finds a user as findAclUser does, whose rules are to be sent back to the server.
 * @throws DatabaseFailed if a rule is not UTF-8, so that it cannot be sent unchanged
 */
export function findWritableUser(lines: string[], name: string): AclUser | undefined {
  const user = findAclUser(lines, name)
  if (user?.rules.some(rule => rule.includes('\ufffd')))
    throw new DatabaseFailed(`${name}: its rules hold what is not UTF-8`)
  return user
}

/** Finds a user in the lines of ACL LIST, which have the format of Redis' aclfile. @returns undefined if there is none */
export function findAclUser(lines: string[], name: string): AclUser | undefined {
  // A line is `user <name> <rules>`. Neither names nor rules contain spaces, except selectors, which come last.
  const line = lines.find(line => line.split(' ', 2)[1] === name)
  if (line === undefined) return undefined
  const words = sortCommandRules(line.slice(`user ${name} `.length)).match(/\(.*?\)(?= \(|$)|[^ ]+/g) ?? []
  const isPassword = (word: string) => word === 'nopass' || word.startsWith('#')
  return {
    name,
    passwords: words.filter(isPassword),
    rules: words.filter(word => !isPassword(word) && !IGNORED_RULES.includes(word)),
  }
}

/**
 * Sorts adjacent rules about single commands, so that the rules of equal users can be compared: Redis 7.0 shows such rules in
 * any order. The order among them does not matter, except that a rule about a subcommand must follow the rule about its
 * command, which sorting by name ensures.
 */
function sortCommandRules(rules: string): string {
  const single = '[+-][^@ )][^ )]*'
  const command = (rule: string) => rule.slice(1)
  return rules.replace(new RegExp(`(?<= )${single}(?: ${single})+`, 'g'), adjacent =>
    adjacent
      .split(' ')
      .sort((a, b) => (command(a) < command(b) ? -1 : 1))
      .join(' '),
  )
}

/** @returns what would make the clone's rules equal to the user's, one sentence each; none if they are equal */
export function differences(user: AclUser, clone: AclUser): string[] {
  const without = (a: AclUser, b: AclUser) => a.rules.filter(rule => !b.rules.includes(rule))
  const found = [
    ...without(user, clone).map(rule => `give ${rule} to ${clone.name}`),
    ...without(clone, user).map(rule => `revoke ${rule} from ${clone.name}`),
  ]
  // The order of rules matters, as a later rule about a command overrides an earlier one.
  if (!found.length && String(user.rules) !== String(clone.rules))
    return [`put the rules of ${clone.name} in the order of ${user.name}'s`]
  return found
}

/** Whether a rule lets a user give itself any other rule. */
const isAdminRule = (rule: string) => /^\+(@all|@admin|@dangerous|acl|acl\|setuser)$/.test(rule)

/** Whether a rule is so common that unrelated users may share it. */
const isCommonRule = (rule: string) =>
  /^(&\*|~\*|%(R|W|RW|WR)~\*|\+(ping|auth|hello|select|client\|set\w+|@connection))$/.test(rule)

/**
 * Checks that a user with the clone's name is the user's clone: if it has rules that are not common, it must share one with the
 * user, and it must have no admin rule that the user has not. An unrelated user of that name must not get the password that goes
 * into the secret, and must not prove a secret by which the user's password is then set.
 * @param isProvenByClone Whether the login that proved the secret (see adminSession.ts) was the clone's, because the user is to
 *   be opened or closed, and the clone is the current one. Then the two must share two rules, if the user has two.
 * @throws NotAClone if they share too little, or if the clone may administer users and the user may not
 */
export function requireClone(user: AclUser, clone: AclUser, isProvenByClone: boolean): void {
  const specificRules = ({ rules }: AclUser) =>
    new Set(rules.filter(rule => /^[+~%&(]/.test(rule) && !isCommonRule(rule)))
  const [ofUser, ofClone] = [specificRules(user), specificRules(clone)]
  const shared = ofUser.intersection(ofClone).size
  // A selector may hold an admin rule too, so selectors are taken apart.
  const adminRules = ({ rules }: AclUser) =>
    rules.flatMap(rule => rule.match(/[^ ()]+/g) ?? []).filter(isAdminRule)
  const adminRule = adminRules(clone).find(rule => !adminRules(user).includes(rule))
  if (adminRule)
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: it has ${adminRule}; take that away, or rename it`,
    )
  if (ofClone.size && !shared)
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: nothing that it may do is the user's; rename it`,
    )
  if (isProvenByClone && shared < Math.min(ofUser.size, 2))
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: it may do too little of what the user may; rename it, or give it the user's rules`,
    )
}
