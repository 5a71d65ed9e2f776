import type { Context } from '../context.ts'
import { credentialOf } from '../credentialId.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { deployerParts } from '../policy/deployer.ts'
import {
  type Document,
  MANAGED_LIMIT,
  type Part,
  type PartName,
  sizeOf,
  templateOf,
} from '../policy/document.ts'
import type { Person } from '../policy/needs.ts'
import { personPart } from '../policy/people.ts'
import { type Ground, groundIn, groundOf } from '../policy/places.ts'
import { readerParts } from '../policy/reader.ts'
import { roleOf } from '../policy/role.ts'
import { stackOf } from '../stack.ts'

export type PolicyOptions = {
  role?: string
  replicas?: true
  asParameter?: true
  operator?: true
  auditor?: true
  caretaker?: true
  deployer?: true
  account?: string
  part?: string
  format: 'json' | 'cloudformation'
}

/** Whom a policy is for: an application's role, or somebody who uses Keyturn. */
type Request = { id: string; role: string } | { person: Person | 'deployer' }

/**
 * Prints a policy alone on stdout, fit for a pipe, and what a person should know on stderr; with `json` all parts in one document.
 * It changes nothing, and reads no value.
 */
export async function policy(
  context: Context,
  id: string | undefined,
  options: PolicyOptions,
): Promise<ExitCode> {
  const { output, json } = context
  const request = requestOf(id, options)
  const parts = await partsFor(context, request, options)
  if ('person' in request && parts.length > 1 && !options.part && !json) throw severalParts(parts)
  const chosen = partNamed(parts, options.part)
  if (json) {
    output.json({ policies: parts.map(({ name, document, notes }) => ({ name, policy: document, notes })) })
    return exit.done
  }
  output.json(options.format === 'json' ? chosen.document : templateFor(chosen, request))
  for (const note of chosen.notes) output.note(note)
  const others = parts.filter(part => part !== chosen).map(({ name }) => name)
  if (!options.part && others.length) {
    output.note(`This is the first policy of ${parts.length}, --part ${chosen.name}.`)
    for (const name of others) output.note(`${meanings[name]}: the same command with --part ${name}.`)
  }
  if (chosen.resource?.Type === 'AWS::IAM::ManagedPolicy') noteSize(output, chosen.document)
  return exit.done
}

const meanings: Record<PartName, string> = {
  role: "The role's own policy",
  resource: "The secret's own policy, which has to allow it too",
  key: "The key's own policy, which has to allow it too",
  calls: 'The policy for what serverless calls',
  functions: 'The policy for functions, state machines and their roles, which CloudFormation makes',
  resources: 'The policy for all else that CloudFormation makes',
}

function noteSize(output: Context['output'], document: Document): void {
  const size = sizeOf(document)
  output.note(
    `It has ${size} characters as IAM counts; a managed policy may have ${MANAGED_LIMIT}, and the inline policies of a role 10240 together.`,
  )
}

/** @throws CommandError where the options ask for nothing, or for two things */
function requestOf(id: string | undefined, options: PolicyOptions): Request {
  const { role, account } = options
  const [person, other] = (['operator', 'auditor', 'caretaker', 'deployer'] as const).filter(
    name => options[name],
  )
  if (other) throw wrong(`--${person} and --${other} are two policies`, 'Ask for one at a time.')
  if (person && id !== undefined)
    throw wrong(`--${person} takes no ID`, `It is about the whole stack: keyturn policy --${person}`)
  if (person && role !== undefined)
    throw wrong(`--${person} takes no --role`, `It is about the whole stack: keyturn policy --${person}`)
  if (person) return checked(person, options)
  if (id === undefined && role === undefined)
    throw wrong(
      'it takes an ID and the --role that is to read it, or one of --operator, --auditor, --caretaker and --deployer',
      `Such as: ${EXAMPLE}`,
    )
  if (id === undefined) throw wrong('the ID is missing of what the role is to read', `Such as: ${EXAMPLE}`)
  if (role === undefined) throw wrong('--role is missing: the role that is to read it', `Such as: ${EXAMPLE}`)
  if (account !== undefined)
    throw wrong('--account is for --deployer', 'Leave it out: the ARN of --role has it.')
  return { id, role }
}

const EXAMPLE = 'keyturn policy secret:shop/database --role arn:aws:iam::123456789012:role/shop'

const wrong = (message: string, remedy: string) => new CommandError(exit.usage, message, remedy)

function checked(person: Person | 'deployer', { replicas, asParameter, account }: PolicyOptions): Request {
  if (replicas || asParameter)
    throw new CommandError(
      exit.usage,
      '--replicas and --as-parameter are about one credential',
      'Name it, and the --role that is to read it.',
    )
  if (account !== undefined && (person !== 'deployer' || !/^\d{12}$/.test(account)))
    throw new CommandError(
      exit.usage,
      '--account is a number of 12 digits, for --deployer',
      'aws sts get-caller-identity --query Account',
    )
  return { person }
}

async function partsFor(context: Context, request: Request, options: PolicyOptions): Promise<Part[]> {
  if ('person' in request) {
    if (request.person === 'deployer') return deployerParts(await groundToDeploy(context, options))
    return [personPart(request.person, groundOf(await stackOf(context)))]
  }
  const role = roleOf(request.role)
  const found = await credentialOf(context, await stackOf(context), request.id)
  return readerParts(found, role, options)
}

/** Where a stack is, or where it is going to be. */
async function groundToDeploy(context: Context, { account }: PolicyOptions): Promise<Ground> {
  if (account === undefined) return groundOf(await stackOf(context))
  const { stage, clients } = context
  if (!stage)
    throw new CommandError(
      exit.usage,
      'with --account it takes the --stage that is to be deployed',
      'Such as: keyturn policy --deployer --account 123456789012 --stage prod',
    )
  const region = await (await clients.cloudFormation()).config.region()
  const stack = `keyturn-${stage}`
  return { ...groundIn(region, account), stack, prefix: stack }
}

/** Whoever keeps one of them in a file would think it was all. */
const severalParts = (parts: Part[]) =>
  wrong(
    `it is ${parts.length} policies, and all are needed`,
    `Print one at a time with --part: ${parts.map(({ name }) => name).join(', ')}. Or all with --json.`,
  )

function partNamed(parts: Part[], name: string | undefined): Part {
  const part = name ? parts.find(part => part.name === name) : parts[0]
  if (part) return part
  throw new CommandError(
    exit.usage,
    `there is no part ${plain(name ?? '')} of this policy`,
    `There is: ${parts.map(({ name }) => name).join(', ')}.`,
  )
}

function templateFor({ name, resource }: Part, request: Request): object {
  if (!resource)
    throw new CommandError(
      exit.usage,
      `CloudFormation makes no resource of the part ${name}`,
      "Without --format it is a statement, to add to the key's policy where that is made.",
    )
  return templateOf(
    'person' in request ? `Keyturn: for who is ${request.person}` : 'Read one credential',
    resource,
  )
}
