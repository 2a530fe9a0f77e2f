from fastapi import APIRouter
def router(db): return APIRouter()
