//! Enrolment: certificate requests wait here until an admin types the code (Q14).
