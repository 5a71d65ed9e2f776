/**
 * What to do about what nothing rotates. It is no command: an audit reads no value, so nobody knows here whether Keyturn can
 * change it, nor whether whoever reads it takes a new one.
 */
export const ENROL_REMEDY =
  'Look first whether Keyturn can rotate it, and rotate it once by hand before a schedule does: docs/audit.md, "What nothing rotates", has the steps.'
