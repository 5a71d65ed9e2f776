/**
 * What to do about a credential that nothing rotates. It is no command, as an audit reads no value: it cannot know whether Keyturn
 * can rotate the credential, nor whether the applications that read it would notice a new value.
 */
export const ENROL_REMEDY =
  'Look first whether Keyturn can rotate it, and rotate it once by hand before a schedule does: docs/audit.md, "What nothing rotates", has the steps.'
