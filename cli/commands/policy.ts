import type { Context } from '../context.ts'
import { describeCredential } from '../credential.ts'
import { EXIT, type ExitCode, usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { deployerParts } from '../policy/deployer.ts'
import {
  MAX_MANAGED_POLICY_LENGTH,
  type PolicyDocument,
  type PolicyPart,
  type PolicyPartName,
  policyLength,
  templateOf,
} from '../policy/document.ts'
import type { Person } from '../policy/needs.ts'
import { personPart } from '../policy/people.ts'
import { readerParts } from '../policy/reader.ts'
import { parseRoleArn } from '../policy/role.ts'
import { locationIn, locationOf, type StackLocation } from '../policy/stackLocation.ts'
import { chooseStack } from '../stack.ts'

/** The options of `policy`, as the command line gave them. */
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

/** Whom a policy is for: a role that reads one credential (`id`), or a person who uses or deploys Keyturn. */
type PolicyRequest = { id: string; role: string } | { person: Person | 'deployer' }

/**
 * Runs `policy`: prints one IAM policy on stdout, so that it can be piped, and notes for the user on stderr. If several policies
 * are needed, each is called a part; --json prints all parts in one document. Nothing is changed, and no value is read.
 */
export async function runPolicyCommand(
  context: Context,
  id: string | undefined,
  options: PolicyOptions,
): Promise<ExitCode> {
  const { output, json } = context
  const request = parseRequest(id, options)
  const parts = await policyPartsFor(context, request, options)
  if ('person' in request && parts.length > 1 && !options.part && !json) throw severalPartsError(parts)
  const chosen = partNamed(parts, options.part)
  if (json) {
    output.json({ policies: parts.map(({ name, document, notes }) => ({ name, policy: document, notes })) })
    return EXIT.done
  }
  output.json(options.format === 'json' ? chosen.document : templateFor(chosen, request))
  for (const note of chosen.notes) output.note(note)
  const others = parts.filter(part => part !== chosen).map(({ name }) => name)
  if (!options.part && others.length) {
    output.note(`This is the first policy of ${parts.length}, --part ${chosen.name}.`)
    for (const name of others) output.note(`${PART_MEANINGS[name]}: the same command with --part ${name}.`)
  }
  if (chosen.resource?.Type === 'AWS::IAM::ManagedPolicy') noteSize(output, chosen.document)
  return EXIT.done
}

/** What each part is for, to name the parts that were not printed. */
const PART_MEANINGS: Record<PolicyPartName, string> = {
  role: "The role's own policy",
  resource: "The secret's resource policy, which has to allow the access too",
  key: "The KMS key's policy, which has to allow the access too",
  calls: 'The policy for what serverless calls',
  functions: 'The policy for functions, state machines and their roles, which CloudFormation makes',
  resources: 'The policy for everything else that CloudFormation makes',
}

function noteSize(output: Context['output'], document: PolicyDocument): void {
  const size = policyLength(document)
  output.note(
    `It has ${size} characters as IAM counts; a managed policy may have ${MAX_MANAGED_POLICY_LENGTH}, and all inline policies of a role together 10240.`,
  )
}

/** Finds out whom the policy is for. @throws CommandError unless the options ask for exactly one policy */
function parseRequest(id: string | undefined, options: PolicyOptions): PolicyRequest {
  const { role, account } = options
  const [person, other] = (['operator', 'auditor', 'caretaker', 'deployer'] as const).filter(
    name => options[name],
  )
  if (other) throw usageError(`--${person} and --${other} are two policies`, 'Ask for one at a time.')
  if (person && id !== undefined)
    throw usageError(`--${person} takes no ID`, `It is about the whole stack: keyturn policy --${person}`)
  if (person && role !== undefined)
    throw usageError(`--${person} takes no --role`, `It is about the whole stack: keyturn policy --${person}`)
  if (person) return personRequest(person, options)
  if (id === undefined && role === undefined)
    throw usageError(
      'it takes an ID and the --role that is to read it, or one of --operator, --auditor, --caretaker and --deployer',
      `Such as: ${EXAMPLE_COMMAND}`,
    )
  if (id === undefined)
    throw usageError(
      'the ID of the credential that the role is to read is missing',
      `Such as: ${EXAMPLE_COMMAND}`,
    )
  if (role === undefined)
    throw usageError('--role is missing: the role that is to read it', `Such as: ${EXAMPLE_COMMAND}`)
  if (account !== undefined)
    throw usageError('--account is for --deployer', 'Leave it out: the ARN of --role has it.')
  return { id, role }
}

const EXAMPLE_COMMAND = 'keyturn policy secret:shop/database --role arn:aws:iam::123456789012:role/shop'

function personRequest(
  person: Person | 'deployer',
  { replicas, asParameter, account }: PolicyOptions,
): PolicyRequest {
  if (replicas || asParameter)
    throw usageError(
      '--replicas and --as-parameter are about one credential',
      'Name it, and the --role that is to read it.',
    )
  if (account !== undefined && (person !== 'deployer' || !/^\d{12}$/.test(account)))
    throw usageError(
      '--account is a number of 12 digits, for --deployer',
      'aws sts get-caller-identity --query Account',
    )
  return { person }
}

async function policyPartsFor(
  context: Context,
  request: PolicyRequest,
  options: PolicyOptions,
): Promise<PolicyPart[]> {
  if ('person' in request) {
    if (request.person === 'deployer') return deployerParts(await locationToDeploy(context, options))
    return [personPart(request.person, locationOf(await chooseStack(context)))]
  }
  const role = parseRoleArn(request.role)
  const found = await describeCredential(context, await chooseStack(context), request.id)
  return readerParts(found, role, options)
}

/** Where the stack is, or, with --account, where it is going to be deployed. */
async function locationToDeploy(context: Context, { account }: PolicyOptions): Promise<StackLocation> {
  if (account === undefined) return locationOf(await chooseStack(context))
  const { stage, clients } = context
  if (!stage)
    throw usageError(
      '--account needs the --stage that is to be deployed',
      'Such as: keyturn policy --deployer --account 123456789012 --stage prod',
    )
  const region = await (await clients.cloudFormation()).config.region()
  const stack = `keyturn-${stage}`
  return { ...locationIn(region, account), stack, namePrefix: stack }
}

/** If a person needs several policies, none is printed unless --part names it: a file with the first one would look complete. */
const severalPartsError = (parts: PolicyPart[]) =>
  usageError(
    `there are ${parts.length} policies, and all are needed`,
    `Print one at a time with --part: ${parts.map(({ name }) => name).join(', ')}. Or all with --json.`,
  )

function partNamed(parts: PolicyPart[], name: string | undefined): PolicyPart {
  const part = name ? parts.find(part => part.name === name) : parts[0]
  if (part) return part
  throw usageError(
    `there is no part ${sanitize(name ?? '')} of this policy`,
    `There is: ${parts.map(({ name }) => name).join(', ')}.`,
  )
}

function templateFor({ name, resource }: PolicyPart, request: PolicyRequest): object {
  if (!resource)
    throw usageError(
      `CloudFormation makes no resource of the part ${name}`,
      "Without --format it is a statement, to add to the key's policy where that is made.",
    )
  return templateOf(
    'person' in request ? `Keyturn: policy of the ${request.person}` : 'Read one credential',
    resource,
  )
}
