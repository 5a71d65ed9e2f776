import { type Document, documentOf, type Part, type Statement } from './document.ts'
import { needsOf, type Person } from './needs.ts'
import { type Ground, type PlaceName, placeNamed } from './places.ts'

const descriptions: Record<Person, string> = {
  operator:
    'Use the command keyturn: start rotations and checks, and look at everything, without reading a value',
  caretaker:
    'Use the command keyturn: enrol credentials besides, and mend what doctor finds, without reading a value',
  auditor: 'Look at everything with the command keyturn, without reading a value or starting anything',
}

/** The policy of a person who uses the command: a statement for each thing that its permissions are about. */
export function personPart(who: Person, ground: Ground): Part {
  const document = personDocument(who, ground)
  return {
    name: 'role',
    document,
    resource: {
      Type: 'AWS::IAM::ManagedPolicy',
      Properties: { Description: descriptions[who], PolicyDocument: document },
    },
    notes: [
      ...(who === 'caretaker'
        ? ['It decides what Keyturn may use, and when that rotates: give it only to those who may tag.']
        : []),
      'It reads no value. It does show the environment of every function, as lambda:GetFunctionConfiguration does: see docs/security.md, "Who may look at the fleet".',
    ],
  }
}

function personDocument(who: Person, ground: Ground): Document {
  const byPlace = Map.groupBy(needsOf(who), ({ on }) => on)
  return documentOf(
    [...byPlace].map(([place, found]) =>
      statementOn(place, new Set(found.flatMap(({ actions }) => actions)), ground),
    ),
  )
}

function statementOn(name: PlaceName, actions: Set<string>, ground: Ground): Statement {
  const { Sid, arns, condition } = placeNamed(name)
  return {
    Sid,
    Effect: 'Allow',
    Action: [...actions].sort(),
    Resource: arns(ground),
    ...(condition && { Condition: condition(ground) }),
  }
}
