import { type PolicyDocument, type PolicyPart, policyDocument, type Statement } from './document.ts'
import { needsOf, type Person } from './needs.ts'
import { type PolicyResourceName, policyResource } from './policyResources.ts'
import type { StackLocation } from './stackLocation.ts'

/** The descriptions of the managed policies in CloudFormation templates. */
const POLICY_DESCRIPTIONS: Record<Person, string> = {
  operator: 'Use the command keyturn: start rotations and checks, and read everything except values',
  caretaker: 'Use the command keyturn: also enrol credentials, and use doctor --fix, without reading values',
  auditor: 'Use the command keyturn: read everything except values, and start nothing',
}

/** The policy of a person who uses the command, with a statement for each kind of resource. */
export function personPart(person: Person, location: StackLocation): PolicyPart {
  const document = personDocument(person, location)
  return {
    name: 'role',
    document,
    resource: {
      Type: 'AWS::IAM::ManagedPolicy',
      Properties: { Description: POLICY_DESCRIPTIONS[person], PolicyDocument: document },
    },
    notes: [
      ...(person === 'caretaker'
        ? [
            'With it a person decides which credentials Keyturn may use, and when they rotate: give it only to people who may set tags.',
          ]
        : []),
      'It allows to read no value. It does allow to see the environment variables of every function (lambda:GetFunctionConfiguration): see docs/security.md, "Who may look at the fleet".',
    ],
  }
}

function personDocument(person: Person, location: StackLocation): PolicyDocument {
  const needsByResource = Map.groupBy(needsOf(person), ({ on }) => on)
  return policyDocument(
    [...needsByResource].map(([resource, needs]) =>
      statementOn(resource, new Set(needs.flatMap(({ actions }) => actions)), location),
    ),
  )
}

function statementOn(name: PolicyResourceName, actions: Set<string>, location: StackLocation): Statement {
  const { Sid, arns, condition } = policyResource(name)
  return {
    Sid,
    Effect: 'Allow',
    Action: [...actions].sort(),
    Resource: arns(location),
    ...(condition && { Condition: condition(location) }),
  }
}
