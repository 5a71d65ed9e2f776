import { serverlessGrants } from './deployCalls.ts'
import { functionGrants, type Grant, resourceGrants } from './deployResources.ts'
import { type PolicyPart, type PolicyPartName, policyDocument, type Statement } from './document.ts'
import type { StackLocation } from './policyResources.ts'

/** Only in the course of a change to a stack, and not by the person's own calls. */
const VIA_CLOUDFORMATION = {
  'ForAnyValue:StringEquals': { 'aws:CalledVia': 'cloudformation.amazonaws.com' },
}

/**
 * The policies of who deploys this project and removes it: what `serverless` calls, and what CloudFormation does in this
 * person's name. They are three, as one would be larger than IAM takes.
 */
export function deployerParts(ground: StackLocation): PolicyPart[] {
  const all = (grants: readonly Grant[]) => grants.map(grant => statementOf(grant, ground))
  const made = (grants: readonly Grant[]) =>
    all(grants).map(statement => ({ ...statement, Condition: VIA_CLOUDFORMATION }))
  return [
    partOf('calls', 'what serverless calls', all(serverlessGrants)),
    partOf('functions', 'functions, state machines and their roles, by CloudFormation', made(functionGrants)),
    partOf('resources', 'all else, by CloudFormation', made(resourceGrants)),
  ]
}

const statementOf = ({ Sid, actions, on }: Grant, ground: StackLocation): Statement => ({
  Sid,
  Effect: 'Allow',
  Action: [...actions],
  Resource: on(ground),
})

const PART_NOTES: Partial<Record<PolicyPartName, string>> = {
  functions:
    'Who may give a role its permissions can give it any: see docs/policy.md, "Who deploys the stack".',
}

function partOf(name: PolicyPartName, what: string, statements: Statement[]): PolicyPart {
  const document = policyDocument(statements)
  const Description = `Deploy Keyturn: ${what}`
  return {
    name,
    document,
    resource: { Type: 'AWS::IAM::ManagedPolicy', Properties: { Description, PolicyDocument: document } },
    notes: [PART_NOTES[name] ?? []].flat(),
  }
}
