import { serverlessGrants } from './deployCalls.ts'
import { functionGrants, type Grant, resourceGrants } from './deployResources.ts'
import { type PolicyPart, type PolicyPartName, policyDocument, type Statement } from './document.ts'
import type { StackLocation } from './stackLocation.ts'

/**
 * The condition that a call is made by CloudFormation, and not by the person directly.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-calledvia
 */
const VIA_CLOUDFORMATION = {
  'ForAnyValue:StringEquals': { 'aws:CalledVia': 'cloudformation.amazonaws.com' },
}

/**
 * The policies of a person who deploys and removes the stack: for the calls of `serverless`, and for those that CloudFormation
 * makes in the person's name. There are three, because a single one would be longer than IAM allows.
 */
export function deployerParts(location: StackLocation): PolicyPart[] {
  const statementsOf = (grants: readonly Grant[]) => grants.map(grant => statementOf(grant, location))
  const viaCloudFormation = (grants: readonly Grant[]) =>
    statementsOf(grants).map(statement => ({ ...statement, Condition: VIA_CLOUDFORMATION }))
  return [
    partOf('calls', 'what serverless calls', statementsOf(serverlessGrants)),
    partOf(
      'functions',
      'functions, state machines and their roles, by CloudFormation',
      viaCloudFormation(functionGrants),
    ),
    partOf('resources', 'everything else, by CloudFormation', viaCloudFormation(resourceGrants)),
  ]
}

const statementOf = ({ Sid, actions, on }: Grant, location: StackLocation): Statement => ({
  Sid,
  Effect: 'Allow',
  Action: [...actions],
  Resource: on(location),
})

const PART_NOTES: Partial<Record<PolicyPartName, string>> = {
  functions:
    'Whoever may set the permissions of a role can give it any permission: see docs/policy.md, "Who deploys the stack".',
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
