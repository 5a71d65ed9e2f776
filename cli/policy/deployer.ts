import { calls } from './deployCalls.ts'
import { functions, type Grant, resources } from './deployResources.ts'
import { documentOf, type Part, type PartName, type Statement } from './document.ts'
import type { Ground } from './places.ts'

/** Only in the course of a change to a stack, and not by the person's own calls. */
const VIA_CLOUDFORMATION = {
  'ForAnyValue:StringEquals': { 'aws:CalledVia': 'cloudformation.amazonaws.com' },
}

/**
 * The policies of who deploys this project and removes it: what `serverless` calls, and what CloudFormation does in this
 * person's name. They are three, as one would be larger than IAM takes.
 */
export function deployerParts(ground: Ground): Part[] {
  const all = (grants: readonly Grant[]) => grants.map(grant => statementOf(grant, ground))
  const made = (grants: readonly Grant[]) =>
    all(grants).map(statement => ({ ...statement, Condition: VIA_CLOUDFORMATION }))
  return [
    partOf('calls', 'what serverless calls', all(calls)),
    partOf('functions', 'functions, state machines and their roles, by CloudFormation', made(functions)),
    partOf('resources', 'all else, by CloudFormation', made(resources)),
  ]
}

const statementOf = ({ Sid, actions, on }: Grant, ground: Ground): Statement => ({
  Sid,
  Effect: 'Allow',
  Action: [...actions],
  Resource: on(ground),
})

const notes: Partial<Record<PartName, string>> = {
  functions:
    'Who may give a role its permissions can give it any: see docs/policy.md, "Who deploys the stack".',
}

function partOf(name: PartName, what: string, statements: Statement[]): Part {
  const document = documentOf(statements)
  const Description = `Deploy Keyturn: ${what}`
  return {
    name,
    document,
    resource: { Type: 'AWS::IAM::ManagedPolicy', Properties: { Description, PolicyDocument: document } },
    notes: [notes[name] ?? []].flat(),
  }
}
