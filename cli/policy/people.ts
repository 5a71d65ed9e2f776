import { type PolicyDocument, type PolicyPart, policyDocument, type Statement } from './document.ts'
import { needsOf, type Person } from './needs.ts'
import { type PolicyResourceName, policyResource, type StackLocation } from './policyResources.ts'

const POLICY_DESCRIPTIONS: Record<Person, string> = {
  operator:
    'Use the command keyturn: start rotations and checks, and look at everything, without reading a value',
  caretaker:
    'Use the command keyturn: enrol credentials besides, and mend what doctor finds, without reading a value',
  auditor: 'Look at everything with the command keyturn, without reading a value or starting anything',
}

/** The policy of a person who uses the command: a statement for each thing that its permissions are about. */
export function personPart(who: Person, ground: StackLocation): PolicyPart {
  const document = personDocument(who, ground)
  return {
    name: 'role',
    document,
    resource: {
      Type: 'AWS::IAM::ManagedPolicy',
      Properties: { Description: POLICY_DESCRIPTIONS[who], PolicyDocument: document },
    },
    notes: [
      ...(who === 'caretaker'
        ? ['It decides what Keyturn may use, and when that rotates: give it only to those who may tag.']
        : []),
      'It reads no value. It does show the environment of every function, as lambda:GetFunctionConfiguration does: see docs/security.md, "Who may look at the fleet".',
    ],
  }
}

function personDocument(who: Person, ground: StackLocation): PolicyDocument {
  const byPlace = Map.groupBy(needsOf(who), ({ on }) => on)
  return policyDocument(
    [...byPlace].map(([place, found]) =>
      statementOn(place, new Set(found.flatMap(({ actions }) => actions)), ground),
    ),
  )
}

function statementOn(name: PolicyResourceName, actions: Set<string>, ground: StackLocation): Statement {
  const { Sid, arns, condition } = policyResource(name)
  return {
    Sid,
    Effect: 'Allow',
    Action: [...actions].sort(),
    Resource: arns(ground),
    ...(condition && { Condition: condition(ground) }),
  }
}
